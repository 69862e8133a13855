;; What a module that was made for WASI preview 1 finds in its place: no files, no arguments, no environment, no sockets, no sleep.
;;
;; - What it writes to its standard output and error goes to the log, a line for each write.
;; - Its clocks stand nearly still: each look at one is a microsecond after the last.
;; - Randomness answers once, with fixed bytes: a runtime that starts has its seed, and nobody takes the rest for secret.
;; - All else is refused: 8 (EBADF) for files, 52 (ENOSYS) for what there is not.
(module
  (import "env" "memory" (memory 0))
  (import "sluice:transform/log@{{contract}}" "write" (func $log (param i32 i32 i32)))
  (global $now (mut i64) (i64.const 0))
  (global $seeded (mut i32) (i32.const 0))

  (func (export "proc_exit") (param i32) unreachable)
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

  (func (export "random_get") (param $at i32) (param $size i32) (result i32)
    (if (global.get $seeded) (then (return (i32.const 52))))
    (global.set $seeded (i32.const 1))
    (loop $next
      (if (local.get $size) (then
        (local.set $size (i32.sub (local.get $size) (i32.const 1)))
        (i32.store8 (i32.add (local.get $at) (local.get $size)) (i32.mul (local.get $size) (i32.const 0x9d)))
        (br $next))))
    (i32.const 0))

  ;; The pieces of a write: `count` pairs of an address and a size at `pieces`.
  (func (export "fd_write") (param $fd i32) (param $pieces i32) (param $count i32) (param $written i32) (result i32)
    (local $sum i32)
    (if (i32.gt_u (i32.sub (local.get $fd) (i32.const 1)) (i32.const 1)) (then (return (i32.const 8))))
    (loop $next
      (if (local.get $count) (then
        (call $line (local.get $fd) (i32.load (local.get $pieces)) (i32.load offset=4 (local.get $pieces)))
        (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $pieces))))
        (local.set $pieces (i32.add (local.get $pieces) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next))))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))

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
  (func (export "poll_oneoff") (param i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "proc_raise") (param i32) (result i32) (i32.const 52))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 52)))
