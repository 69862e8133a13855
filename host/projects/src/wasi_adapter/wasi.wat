;; What a module that was made for WASI preview 1 finds in its place: no files, no arguments, no environment, no sockets.
;;
;; - What it writes to its standard output and error goes to the log: a line for each write, or, from a module that gives memory to gather
;;   lines in, a line for each line.
;; - Its clocks stand nearly still: each look at one is a microsecond after the last. A sleep passes at once, and they are put forward.
;; - There is no randomness. Asking for it is a fault: the C library's arc4random takes no notice of an error, and gives numbers that
;;   anybody knows. A runtime that does not start without it gets fixed bytes {{seeds}} times, as a seed of its hash tables, and then an error.
;; - All else is refused: 8 (EBADF) for files, 52 (ENOSYS) for what there is not.
(module
  (import "env" "memory" (memory 0))
  (import "sluice:transform/log@{{contract}}" "write" (func $log (param i32 i32 i32)))
  (global $now (mut i64) (i64.const 0))
  (global $seeds (mut i32) (i32.const {{seeds}}))
  (global $lines (mut i32) (i32.const 0)) ;; Where lines are gathered: an address,
  (global $room (mut i32) (i32.const 0)) ;; how many bytes there are,
  (global $begun (mut i32) (i32.const 0)) ;; how many of them the line has by now,
  (global $of (mut i32) (i32.const 1)) ;; and the file that it was written to.

  (func (export "proc_exit") (param i32)
    (call $end_line)
    unreachable)
  (func (export "sched_yield") (result i32) (i32.const 0))
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))
  (func $none (export "args_sizes_get") (export "environ_sizes_get") (param $count i32) (param $size i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $size) (i32.const 0))
    (i32.const 0))

  (func (export "clock_time_get") (param i32 i64) (param $time i32) (result i32)
    (global.set $now (i64.add (global.get $now) (i64.const 1000)))
    (i64.store (local.get $time) (global.get $now))
    (i32.const 0))

  ;; The first clock that is waited for has come; without one, this would wait forever. A subscription has 48 bytes (0: what to say with the
  ;; event, 8: its kind, 0 for a clock, 24: when, 40: whether that is a time, rather than from now on), an event 32 (0: the same, 8: an error,
  ;; 10: the kind).
  (func (export "poll_oneoff") (param $wanted i32) (param $events i32) (param $count i32) (param $happened i32) (result i32)
    (loop $next
      (if (i32.eqz (local.get $count)) (then (return (i32.const 52))))
      (if (i32.load8_u offset=8 (local.get $wanted)) (then
        (local.set $wanted (i32.add (local.get $wanted) (i32.const 48)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next))))
    (if (i32.eqz (i32.and (i32.load16_u offset=40 (local.get $wanted)) (i32.const 1)))
      (then (global.set $now (i64.add (global.get $now) (i64.load offset=24 (local.get $wanted)))))
      (else (if (i64.gt_u (i64.load offset=24 (local.get $wanted)) (global.get $now)) (then
        (global.set $now (i64.load offset=24 (local.get $wanted)))))))
    (i64.store (local.get $events) (i64.load (local.get $wanted)))
    (i64.store offset=8 (local.get $events) (i64.const 0))
    (i64.store offset=16 (local.get $events) (i64.const 0))
    (i64.store offset=24 (local.get $events) (i64.const 0))
    (i32.store (local.get $happened) (i32.const 1))
    (i32.const 0))

  (func (export "random_get") (param $at i32) (param $size i32) (result i32)
    (if (i32.eqz (global.get $seeds)) (then
      (if (i32.const {{refuses}}) (then (return (i32.const 52))))
      (call $no_randomness)))
    (global.set $seeds (i32.sub (global.get $seeds) (i32.const 1)))
    (loop $next
      (if (local.get $size) (then
        (local.set $size (i32.sub (local.get $size) (i32.const 1)))
        (i32.store8 (i32.add (local.get $at) (local.get $size)) (i32.mul (local.get $size) (i32.const 0x9d)))
        (br $next))))
    (i32.const 0))

  ;; A fault, and a line that says why: at the module's address 0, for its memory goes with it.
  (func $no_randomness
    (i64.store offset=0 (i32.const 0) (i64.const 0x7369206572656874)) ;; there is
    (i64.store offset=8 (i32.const 0) (i64.const 0x646e6172206f6e20)) ;;  no rand
    (i64.store offset=16 (i32.const 0) (i64.const 0x68207373656e6d6f)) ;; omness h
    (i64.store offset=24 (i32.const 0) (i64.const 0x657375203a657265)) ;; ere: use
    (i64.store offset=32 (i32.const 0) (i64.const 0x736f682065687420)) ;;  the hos
    (i64.store offset=40 (i32.const 0) (i64.const 0x6e61726020732774)) ;; t's `ran
    (i64.store offset=48 (i32.const 0) (i64.const 0x20202020606d6f64)) ;; dom`    
    (call $log (i32.const 0) (i32.const 0) (i32.const 52))
    unreachable)

  ;; The pieces of a write: `count` pairs of an address and a size at `pieces`.
  (func (export "fd_write") (param $fd i32) (param $pieces i32) (param $count i32) (param $written i32) (result i32)
    (local $sum i32)
    (if (i32.gt_u (i32.sub (local.get $fd) (i32.const 1)) (i32.const 1)) (then (return (i32.const 8))))
    (loop $next
      (if (local.get $count) (then
        (call $write (local.get $fd) (i32.load (local.get $pieces)) (i32.load offset=4 (local.get $pieces)))
        (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $pieces))))
        (local.set $pieces (i32.add (local.get $pieces) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next))))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))

  (func $write (param $fd i32) (param $at i32) (param $size i32)
    (if (i32.eqz (global.get $room)) (then
      (call $line (local.get $fd) (local.get $at) (local.get $size))
      (return)))
    (if (i32.ne (local.get $fd) (global.get $of)) (then
      (call $end_line)
      (global.set $of (local.get $fd))))
    (loop $next
      (if (local.get $size) (then
        (call $gather (i32.load8_u (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $size (i32.sub (local.get $size) (i32.const 1)))
        (br $next)))))

  ;; A line ends at its line break, or where there is no more room. `?` stands for a byte that is not ASCII.
  (func $gather (param $byte i32)
    (if (i32.eq (local.get $byte) (i32.const 10)) (then
      (call $end_line)
      (return)))
    (if (i32.eq (global.get $begun) (global.get $room)) (then (call $end_line)))
    (i32.store8
      (i32.add (global.get $lines) (global.get $begun))
      (select (local.get $byte) (i32.const 63) (i32.lt_u (local.get $byte) (i32.const 128))))
    (global.set $begun (i32.add (global.get $begun) (i32.const 1))))

  (func $end_line
    (call $line (global.get $of) (global.get $lines) (global.get $begun))
    (global.set $begun (i32.const 0)))

  ;; Not of WASI. From now on lines are gathered in these bytes, which are the module's; one that has begun ends here.
  (func (export "sluice_gather_lines") (param $at i32) (param $size i32)
    (call $end_line)
    (global.set $lines (local.get $at))
    (global.set $room (local.get $size)))

  ;; To the log, without spaces at its end: output as `info`, errors as `warn`. A text that is not ASCII is left out: the log takes
  ;; UTF-8 only, and a piece may end within a character.
  (func $line (param $fd i32) (param $at i32) (param $size i32)
    (local $i i32)
    (block $trimmed
      (loop $trim
        (br_if $trimmed (i32.eqz (local.get $size)))
        (br_if $trimmed (i32.gt_u (i32.load8_u (i32.sub (i32.add (local.get $at) (local.get $size)) (i32.const 1))) (i32.const 32)))
        (local.set $size (i32.sub (local.get $size) (i32.const 1)))
        (br $trim)))
    (if (i32.eqz (local.get $size)) (then (return)))
    (loop $next
      (if (i32.ge_u (i32.load8_u (i32.add (local.get $at) (local.get $i))) (i32.const 128)) (then (return)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $size))))
    (call $log (i32.sub (i32.const 3) (local.get $fd)) (local.get $at) (local.get $size)))

  (func (export "clock_res_get") (param i32 i32) (result i32) (i32.const 52))
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_close") (param i32) (result i32) (i32.const 8))
  (func (export "fd_datasync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_read") (param i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_renumber") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_sync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_tell") (param i32 i32) (result i32) (i32.const 8))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 52))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 52))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "proc_raise") (param i32) (result i32) (i32.const 52))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 52)))
