//! From what a connection has read to replies: each belongs to the oldest request.

use bytes::{Buf, BytesMut};

use super::connection::{Connection, Private};
use super::receiver::{Cause, Payload, Receiver};
use super::reply_matching::{Belongs, Expect};
use crate::buffer::LARGE;
use crate::cluster::Redirect;
use crate::resp::Scan;
use crate::resp::reply::ReplyScanner;

impl Connection {
    /// Hand over the replies that have arrived whole.
    ///
    /// # Errors
    ///
    /// What the server did wrong: nothing that follows can be understood.
    pub(super) fn take_replies(&mut self, receiver: &mut impl Receiver) -> Result<(), String> {
        match &self.private {
            None => self.take_shared(receiver),
            Some(_) => self.take_private(receiver),
        }
    }

    /// Every frame is the reply to the oldest request.
    fn take_shared(&mut self, receiver: &mut impl Receiver) -> Result<(), String> {
        if self.awaits_pong() && !self.take_pong()? {
            return Ok(());
        }
        let redirects = self.kept.is_some();
        while self.input.len() >= self.needed {
            if self.input.first() == Some(&b'>') {
                if self.drop_push()? {
                    continue;
                }
                break;
            }
            let Some(oldest) = self.pending.front_mut() else {
                return Err("it sent a reply that no request had asked for".to_owned());
            };
            if redirects && self.input.first() == Some(&b'-') {
                if self.take_error(receiver)? {
                    continue;
                }
                break;
            }
            let (mut end, mut count) = (0, 0);
            while count < oldest.ticket.count {
                let kind = self.input.get(end);
                if kind == Some(&b'>') || (redirects && kind == Some(&b'-')) {
                    break;
                }
                match self.scanner.scan(&self.input[end..]) {
                    Ok(Scan::Complete(len)) if len >= LARGE => {
                        // One by itself: hand over those before it first.
                        if count == 0 {
                            (end, count) = (len, 1);
                            self.scanner = ReplyScanner::default();
                        }
                        break;
                    }
                    Ok(Scan::Complete(len)) => {
                        self.scanner = ReplyScanner::default();
                        end += len;
                        count += 1;
                        self.needed = 1;
                    }
                    Ok(Scan::Incomplete(needed)) => {
                        self.needed = needed;
                        break;
                    }
                    Err(error) => return Err(error.to_string()),
                }
            }
            if count == 0 {
                break;
            }
            let ticket = oldest.answered(count);
            if oldest.ticket.count == 0 {
                self.pending.pop_front();
            }
            self.in_flight -= count as usize;
            if end >= LARGE && count == 1 {
                self.needed = 1;
                receiver.reply(&ticket, Payload::Large(self.input.split_to(end).freeze()), true);
            } else {
                receiver.reply(&ticket, Payload::Small(&self.input[..end]), true);
                self.input.advance(end);
            }
        }
        Ok(())
    }

    /// The next frame, if it is there whole.
    fn take_frame(&mut self) -> Result<Option<BytesMut>, String> {
        match self.scanner.scan(&self.input).map_err(|error| error.to_string())? {
            Scan::Incomplete(needed) => {
                self.needed = needed;
                Ok(None)
            }
            Scan::Complete(len) => {
                self.scanner = ReplyScanner::default();
                self.needed = 1;
                Ok(Some(self.input.split_to(len)))
            }
        }
    }

    /// An error, by which the server may send the request elsewhere. Returns whether it was there whole.
    fn take_error(&mut self, receiver: &mut impl Receiver) -> Result<bool, String> {
        let error = self.take_frame()?;
        if let Some(error) = &error {
            self.answer_with_error(error, receiver);
        }
        Ok(error.is_some())
    }

    /// The oldest request is answered with an error.
    fn answer_with_error(&mut self, error: &[u8], receiver: &mut impl Receiver) {
        let Some(oldest) = self.pending.front_mut() else { return };
        let request = if Redirect::of(error).is_some() { oldest.request(self.kept.as_ref()) } else { None };
        let ticket = oldest.answered(1);
        if oldest.ticket.count == 0 {
            self.pending.pop_front();
        }
        self.in_flight -= 1;
        match request {
            Some(request) => receiver.sent_back(&ticket, request, Cause::Reply { error, server: &self.server }),
            None => receiver.reply(&ticket, Payload::Small(error), true),
        }
    }

    /// Drops out-of-band data of a connection that sessions share: none of them has asked for it.
    /// Returns whether it was there whole.
    fn drop_push(&mut self) -> Result<bool, String> {
        let dropped = self.take_frame()?.is_some();
        if dropped {
            metrics::counter!("sluice_upstream_unasked_pushes_total").increment(1);
        }
        Ok(dropped)
    }

    /// Takes the reply to a PING of the proxy's own off, and drops pushes before it. Returns whether it
    /// was there.
    fn take_pong(&mut self) -> Result<bool, String> {
        while self.input.len() >= self.needed {
            if self.input.first() == Some(&b'>') {
                self.drop_push()?;
            } else if self.take_frame()?.is_some() {
                self.pong();
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Frame by frame: what a frame belongs to depends on what it is.
    fn take_private(&mut self, receiver: &mut impl Receiver) -> Result<(), String> {
        let Some(Private { owner: Some(owner), exchange, .. }) = &mut self.private else { return Ok(()) };
        let owner = *owner;
        while self.input.len() >= self.needed {
            if exchange.streaming {
                self.pending.drain(..).for_each(|pending| receiver.unanswered(&pending.ticket));
                self.in_flight = 0;
                receiver.stream(owner, &self.input);
                self.input.clear();
                break;
            }
            let len = match self.scanner.scan(&self.input) {
                Ok(Scan::Complete(len)) => len,
                Ok(Scan::Incomplete(needed)) => {
                    self.needed = needed;
                    break;
                }
                // What a replica is sent is no frame; a request for it turns framing off with the first byte.
                Err(error) if self.pending.front().is_none_or(|oldest| oldest.expect != Expect::Stream) => {
                    return Err(error.to_string());
                }
                Err(_) => self.input.len(),
            };
            self.scanner = ReplyScanner::default();
            self.needed = 1;
            let frame = self.input.split_to(len).freeze();
            match exchange.classify(&frame, self.pending.front().map(|oldest| oldest.expect)) {
                Belongs::Unasked => receiver.unasked(owner, &frame),
                Belongs::InPart => self.parts.extend_from_slice(&frame),
                Belongs::Finally => {
                    let Some(oldest) = self.pending.front_mut() else { continue };
                    if oldest.expect.is_patient() {
                        self.health.begin();
                    }
                    let redirected = self.kept.is_some() && self.parts.is_empty() && Redirect::of(&frame).is_some();
                    let request = if redirected { oldest.request(self.kept.as_ref()) } else { None };
                    let ticket = oldest.answered(1);
                    if oldest.ticket.count == 0 {
                        self.pending.pop_front();
                    }
                    self.in_flight -= 1;
                    if let Some(request) = request {
                        let cause = Cause::Reply { error: &frame, server: &self.server };
                        receiver.sent_back(&ticket, request, cause);
                    } else if self.parts.is_empty() && !exchange.streaming {
                        let payload = if len < LARGE { Payload::Small(&frame) } else { Payload::Large(frame) };
                        receiver.reply(&ticket, payload, true);
                    } else {
                        let mut parts = std::mem::take(&mut self.parts);
                        parts.extend_from_slice(&frame);
                        receiver.reply(&ticket, Payload::Small(&parts), false);
                    }
                }
            }
        }
        Ok(())
    }
}
