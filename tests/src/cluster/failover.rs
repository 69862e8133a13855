//! Nodes that die, hang, come back and take over from each other.

use super::node::Node;
use super::view::View;
use super::{AGREEMENT, Member, RedisCluster};
use crate::redis_server::RedisServer;
use crate::wait::wait_until;

impl RedisCluster {
    /// Ends a node at once, as `kill -9` does.
    pub fn kill(&mut self, member: impl Into<Member>) {
        self.member_mut(member.into()).kill();
    }

    /// Stops a node's clock: it accepts connections (the kernel does) and answers nothing.
    pub fn pause(&mut self, member: impl Into<Member>) {
        self.member_mut(member.into()).pause();
    }

    /// Lets a node go on after [`RedisCluster::pause`] and waits until it has its place again, as [`RedisCluster::restart`] does.
    ///
    /// A primary that has been taken for dead and that nobody has replaced is let in again after twice the time-out of nodes.
    #[track_caller]
    pub fn resume(&mut self, member: impl Into<Member>) {
        let member = member.into();
        self.member_mut(member).resume();
        self.wait_until_back(member);
    }

    /// Starts a node again on the same ports and waits until all nodes see it where it stands here: a primary with its slots, or a
    /// replica that has all that its primary has. What it held is lost, unless its options let it keep something on disk.
    #[track_caller]
    pub fn restart(&mut self, member: impl Into<Member>) {
        let member = member.into();
        self.member_mut(member).restart();
        self.wait_until_back(member);
    }

    /// Lets a replica take over its shard, whatever has become of the primary, and waits until everybody knows. The two change
    /// places: then `primary(shard)` is the one that was `replica(shard, replica)`, and the other way round.
    ///
    /// Writes that had not reached the replica are lost.
    #[track_caller]
    pub fn promote(&mut self, shard: usize, replica: usize) {
        let reply = self.member((shard, replica).into()).ask("CLUSTER FAILOVER TAKEOVER");
        // It may have been faster by itself.
        assert!(reply == "+OK\r\n" || reply.starts_with(b"-ERR You should send"), "{reply:?}");
        self.wait_until_promoted(shard, replica);
    }

    /// Lets a replica take over its shard from a primary that runs, which holds writes up until the replica has everything: none is
    /// lost. The two change places, and the old primary is a replica when this returns.
    ///
    /// It does by hand what `CLUSTER FAILOVER` does, because that goes wrong where the same node has won an election a few seconds
    /// before: it counts the old votes, becomes a primary of the old epoch, and is a replica again as soon as it speaks to another
    /// node. What it has acknowledged between is lost.
    #[track_caller]
    pub fn hand_over(&mut self, shard: usize, replica: usize) {
        let mut client = self.member(shard.into()).client();
        assert_eq!(client.ask(&format!("CLIENT PAUSE {} WRITE", AGREEMENT.as_millis())), "+OK\r\n");
        self.wait_until_replicated(shard, replica);
        self.promote(shard, replica);
        // Who has been held up learns now where the slots are.
        assert_eq!(client.ask("CLIENT UNPAUSE"), "+OK\r\n");
        self.wait_until_back((shard, replica).into());
    }

    /// Waits until a replica has everything that its primary has now.
    #[track_caller]
    pub fn wait_until_replicated(&self, shard: usize, replica: usize) {
        let mut client = self.member((shard, replica).into()).client();
        let written = RedisServer::info(&mut self.client(shard), "replication", "master_repl_offset");
        wait_until("a replica has every write", AGREEMENT, || {
            (RedisServer::info(&mut client, "replication", "slave_repl_offset") >= written).then_some(())
        });
    }

    /// Waits until a replica has taken over its shard according to itself and every other node that runs. Then they change places,
    /// as in [`RedisCluster::promote`].
    #[track_caller]
    pub fn wait_until_promoted(&mut self, shard: usize, replica: usize) {
        let new = self.member((shard, replica).into());
        for node in self.nodes().filter(|node| node.runs()) {
            wait_until("a replica has taken over", AGREEMENT, || {
                View::of_node(new.id(), &View::of(node)).is_some_and(View::serves).then_some(())
            });
        }
        wait_until("a new primary serves", AGREEMENT, || new.is_well().then_some(()));
        self.shards[shard].swap(0, replica + 1);
    }

    /// Waits until every node that runs takes the node `owner` for the owner of `slot`.
    #[track_caller]
    pub(super) fn wait_until_owned(&self, slot: u16, owner: &str) {
        for node in self.nodes().filter(|node| node.runs()) {
            wait_until("every node knows the owner of a slot", AGREEMENT, || {
                (View::owner_of(slot, &View::of(node))? == owner).then_some(())
            });
        }
    }

    /// Waits until every node that runs knows the epoch of every other.
    #[track_caller]
    pub(super) fn wait_until_epochs_are_known(&self) {
        wait_until("every node knows every epoch", AGREEMENT, || {
            let mut known = self.nodes().filter(|node| node.runs()).map(View::epochs);
            let first = known.next();
            known.all(|epochs| first.as_ref() == Some(&epochs)).then_some(())
        });
    }

    #[track_caller]
    fn wait_until_back(&self, member: Member) {
        let back = self.member(member);
        let primary = self.shards[member.shard][0].id();
        let in_place = |view: &View| if back.id() == primary { view.serves() } else { view.replicates(primary) };
        for node in self.nodes().filter(|node| node.runs()) {
            wait_until("a node is back in its place", AGREEMENT, || {
                View::of_node(back.id(), &View::of(node)).is_some_and(in_place).then_some(())
            });
        }
        self.nodes().filter(|node| node.runs()).for_each(wait_until_well);
    }
}

#[track_caller]
fn wait_until_well(node: &Node) {
    wait_until("a node serves", AGREEMENT, || node.is_well().then_some(()));
}
