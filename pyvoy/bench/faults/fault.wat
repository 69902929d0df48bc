;; A filter that misbehaves when a request asks for it (x-fault): what that does to others is measured.
(module
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 1024) "x-fault")
  (global $heap (mut i32) (i32.const 65536))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param $size i32) (result i32)
    (global.get $heap)
    (global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get $size)) (i32.const 7)) (i32.const -8))))
  ;; Half a gigabyte in steps of a page of 64 KiB, each of them touched; it traps when there is no more.
  (func $hog (local $pages i32) (local $old i32)
    (loop $more
      (local.set $old (memory.grow (i32.const 1)))
      (if (i32.eq (local.get $old) (i32.const -1)) (then (unreachable)))
      (memory.fill (i32.shl (local.get $old) (i32.const 16)) (i32.const 120) (i32.const 65536))
      (local.set $pages (i32.add (local.get $pages) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $pages) (i32.const 8192)))))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $fault i32)
    (global.set $heap (i32.const 65536))
    (if (call $get (i32.const 0) (i32.const 1024) (i32.const 7) (i32.const 0) (i32.const 4))
      (then (return (i32.const 0))))
    (if (i32.eqz (i32.load (i32.const 4))) (then (return (i32.const 0))))
    (local.set $fault (i32.load8_u (i32.load (i32.const 0))))
    (if (i32.eq (local.get $fault) (i32.const 99)) (then (unreachable)))  ;; c of crash
    (if (i32.eq (local.get $fault) (i32.const 101)) (then (call $exit (i32.const 3)) (unreachable)))  ;; e of exit
    (if (i32.eq (local.get $fault) (i32.const 108)) (then (loop $forever (br $forever))))  ;; l of loop
    (if (i32.eq (local.get $fault) (i32.const 104)) (then (call $hog)))  ;; h of hog
    (i32.const 0)))
