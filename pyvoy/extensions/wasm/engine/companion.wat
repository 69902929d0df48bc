;; The companion: answers the four commonest header functions inside WebAssembly, next to the module that calls them.
;;
;; Own memory:     0 the name that is looked for, in lower case
;;          1024 table: address and size of a name, address and size of its value; a removed name has size -1
;;         16360 a missing value is OK and empty (ABI 0.1.0)
;;         16364 kind of the map at hand (-1: none)
;;         16368 table: 0 to be asked for, 1 there, 2 not to be had, 3 to be made of the text
;;         16372 its entries
;;         16376 bytes in the journal
;;         16380 bytes of the text
;;         16384 the map as text, as the host has written it: names and values with a NUL behind each
;;        131072 journal: operation, sizes of name and value (4 bytes each), name, value
;; The host writes the words from the kind on and the text behind them in one piece.
;; What changes a map is written to the journal, which the host carries out; the table follows only as far as reading
;; the first value of a name needs it, and is loaded anew where that is not enough.
(module
  (type $four (func (param i32 i32 i32 i32 i32) (result i32)))
  (type $two (func (param i32 i32 i32) (result i32)))
  (import "guest" "memory" (memory $guest 0))
  (import "guest" "malloc" (func $malloc (param i32) (result i32)))
  (import "host" "get" (func $host_get (type $four)))
  (import "host" "add" (func $host_add (type $four)))
  (import "host" "replace" (func $host_replace (type $four)))
  (import "host" "remove" (func $host_remove (type $two)))
  (import "host" "load" (func $host_load))
  (import "door" "table" (table 4 4 funcref))
  (memory $own (export "memory") 4 4)
  (elem (i32.const 0) $get $add $replace $remove)

  ;; Whether so many bytes at an address are in the module's memory.
  (func $inside (param $at i32) (param $size i32) (result i32)
    (i64.le_u
      (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $size)))
      (i64.shl (i64.extend_i32_u (memory.size $guest)) (i64.const 16))))

  ;; Whether the host has to do it: another map than the one at hand, no name, or "host", :authority's name in requests.
  (func $not_ours (param $kind i32) (param $name i32) (param $size i32) (result i32)
    (if (i32.ne (local.get $kind) (i32.load $own (i32.const 16364))) (then (return (i32.const 1))))
    (if (i32.eqz (local.get $size)) (then (return (i32.const 1))))
    (if (i32.or (local.get $kind) (i32.ne (local.get $size) (i32.const 4))) (then (return (i32.const 0))))
    (if (i32.eqz (call $inside (local.get $name) (i32.const 4))) (then (return (i32.const 1))))
    (i32.eq (i32.or (i32.load8_u $guest (local.get $name)) (i32.const 32)) (i32.const 104)))

  ;; Make the table of the text.
  (func $load
    (local $entries i32) (local $at i32) (local $end i32) (local $entry i32) (local $begin i32) (local $zeros i32)
    (if (i32.eqz (i32.load $own (i32.const 16368))) (then (call $host_load)))
    (if (i32.ne (i32.load $own (i32.const 16368)) (i32.const 3)) (then (return)))
    (local.set $entries (i32.load $own (i32.const 16372)))
    (local.set $entry (i32.const 1024))
    (local.set $at (i32.const 16384))
    (local.set $end (i32.add (local.get $at) (i32.load $own (i32.const 16380))))
    (i32.store $own (i32.const 16368) (i32.const 2))
    (loop $word
      (local.set $begin (local.get $at))
      (loop $chars  ;; sixteen at once; what is read behind the text is nobody's
        (if (i32.ge_u (local.get $at) (local.get $end)) (then (return)))  ;; less words than there should be
        (local.set $zeros
          (i8x16.bitmask (i8x16.eq (v128.load $own (local.get $at)) (v128.const i32x4 0 0 0 0))))
        (if (i32.eqz (local.get $zeros))
          (then (local.set $at (i32.add (local.get $at) (i32.const 16))) (br $chars))))
      (local.set $at (i32.add (i32.add (local.get $at) (i32.ctz (local.get $zeros))) (i32.const 1)))
      (i32.store $own (local.get $entry) (local.get $begin))
      (i32.store $own offset=4 (local.get $entry)
        (i32.sub (i32.sub (local.get $at) (local.get $begin)) (i32.const 1)))
      (local.set $entry (i32.add (local.get $entry) (i32.const 8)))
      (br_if $word
        (i32.lt_u (local.get $entry) (i32.add (i32.const 1024) (i32.shl (local.get $entries) (i32.const 4))))))
    ;; A NUL inside a name or value would have made more words.
    (if (i32.eq (local.get $at) (local.get $end)) (then (i32.store $own (i32.const 16368) (i32.const 1)))))

  ;; A bit for each of the next sixteen bytes that are among $left.
  (func $lanes (param $left i32) (result i32)
    (select
      (i32.const 0xffff)
      (i32.sub (i32.shl (i32.const 1) (local.get $left)) (i32.const 1))
      (i32.ge_s (local.get $left) (i32.const 16))))

  ;; Copy a name of the module's to $to in lower case, sixteen bytes at once; what is behind it there is nobody's.
  ;; 0: it lies too near the end of the memory.  1: nearly all names are made of such bytes, perhaps behind a colon.
  ;; 2: others.
  (func $take_name (param $name i32) (param $size i32) (param $to i32) (result i32)
    (local $chars v128) (local $known i32) (local $others i32)
    (if (i32.eqz (call $inside (local.get $name) (i32.add (local.get $size) (i32.const 16))))
      (then (return (i32.const 0))))
    (local.set $known (i32.eq (i32.load8_u $guest (local.get $name)) (i32.const 58)))
    (loop $next
      (local.set $chars (v128.load $guest (local.get $name)))
      (local.set $chars
        (v128.or
          (local.get $chars)
          (v128.and
            (i8x16.lt_u
              (i8x16.sub (local.get $chars) (i8x16.splat (i32.const 65))) (i8x16.splat (i32.const 26)))
            (i8x16.splat (i32.const 32)))))
      (v128.store $own (local.get $to) (local.get $chars))
      (local.set $known
        (i32.or
          (local.get $known)
          (i8x16.bitmask
            (v128.or
              (v128.or
                (i8x16.lt_u
                  (i8x16.sub (local.get $chars) (i8x16.splat (i32.const 97))) (i8x16.splat (i32.const 26)))
                (i8x16.lt_u
                  (i8x16.sub (local.get $chars) (i8x16.splat (i32.const 48))) (i8x16.splat (i32.const 10))))
              (v128.or
                (i8x16.eq (local.get $chars) (i8x16.splat (i32.const 45)))
                (v128.or
                  (i8x16.eq (local.get $chars) (i8x16.splat (i32.const 95)))
                  (i8x16.eq (local.get $chars) (i8x16.splat (i32.const 46)))))))))
      (local.set $others
        (i32.or
          (local.get $others)
          (i32.and (i32.xor (local.get $known) (i32.const 0xffff)) (call $lanes (local.get $size)))))
      (local.set $known (i32.const 0))
      (local.set $name (i32.add (local.get $name) (i32.const 16)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (local.set $size (i32.sub (local.get $size) (i32.const 16)))
      (br_if $next (i32.gt_s (local.get $size) (i32.const 0))))
    (select (i32.const 2) (i32.const 1) (local.get $others)))

  ;; The address of the first entry from $entry on with the name that lies at $name in our own memory, or 0.
  (func $find (param $entry i32) (param $name i32) (param $size i32) (result i32)
    (local $end i32) (local $own_name i32) (local $at i32)
    (local.set $end (i32.add (i32.const 1024) (i32.shl (i32.load $own (i32.const 16372)) (i32.const 4))))
    (loop $next
      (if (i32.ge_u (local.get $entry) (local.get $end)) (then (return (i32.const 0))))
      (block $differs
        (br_if $differs (i32.ne (i32.load $own offset=4 (local.get $entry)) (local.get $size)))
        (local.set $own_name (i32.load $own (local.get $entry)))
        (local.set $at (i32.const 0))
        (loop $chars
          (br_if $differs
            (i32.and
              (i8x16.bitmask
                (i8x16.ne
                  (v128.load $own (i32.add (local.get $own_name) (local.get $at)))
                  (v128.load $own (i32.add (local.get $name) (local.get $at)))))
              (call $lanes (i32.sub (local.get $size) (local.get $at)))))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br_if $chars (i32.lt_u (local.get $at) (local.get $size))))
        (return (local.get $entry)))
      (local.set $entry (i32.add (local.get $entry) (i32.const 16)))
      (br $next))
    (unreachable))

  ;; Write an operation to the journal; the address of its name there.  0: for the host, as what would end a line is.
  (func $note (param $operation i32) (param $name i32) (param $name_size i32) (param $value i32) (param $value_size i32)
    (result i32)
    (local $record i32) (local $to i32) (local $end i32) (local $chars v128)
    (if (i32.or
          (i32.gt_u (local.get $name_size) (i32.const 60000))
          (i32.gt_u (local.get $value_size) (i32.const 60000)))
      (then (return (i32.const 0))))
    (local.set $record (i32.add (i32.const 131072) (i32.load $own (i32.const 16376))))
    (local.set $to (i32.add (local.get $record) (i32.const 12)))
    (local.set $end (i32.add (local.get $to) (local.get $name_size)))
    (if (i32.gt_u (i32.add (local.get $end) (local.get $value_size)) (i32.const 262128))
      (then (return (i32.const 0))))  ;; the last sixteen bytes of the memory are only read and written in passing
    (if (i32.eq (i32.load $own (i32.const 16368)) (i32.const 3))
      (then (i32.store $own (i32.const 16368) (i32.const 0))))  ;; the text does not know of this change
    (i32.store $own (local.get $record) (local.get $operation))
    (i32.store $own offset=4 (local.get $record) (local.get $name_size))
    (i32.store $own offset=8 (local.get $record) (local.get $value_size))
    (if (i32.ne (call $take_name (local.get $name) (local.get $name_size) (local.get $to)) (i32.const 1))
      (then (return (i32.const 0))))
    (memory.copy $own $guest (local.get $end) (local.get $value) (local.get $value_size))
    (local.set $to (local.get $end))
    (local.set $end (i32.add (local.get $end) (local.get $value_size)))
    (block $valued
      (loop $next
        (br_if $valued (i32.ge_u (local.get $to) (local.get $end)))
        (local.set $chars (v128.load $own (local.get $to)))
        (if (i32.and
              (i8x16.bitmask
                (v128.or
                  (i8x16.eq (local.get $chars) (i8x16.splat (i32.const 0)))
                  (v128.or
                    (i8x16.eq (local.get $chars) (i8x16.splat (i32.const 10)))
                    (i8x16.eq (local.get $chars) (i8x16.splat (i32.const 13))))))
              (call $lanes (i32.sub (local.get $end) (local.get $to))))
          (then (return (i32.const 0))))
        (local.set $to (i32.add (local.get $to) (i32.const 16)))
        (br $next)))
    (i32.store $own (i32.const 16376) (i32.sub (local.get $end) (i32.const 131072)))
    (i32.add (local.get $record) (i32.const 12)))

  ;; A name that was not there.
  (func $append (param $at i32) (param $name_size i32) (param $value_size i32)
    (local $entry i32) (local $count i32)
    (local.set $count (i32.load $own (i32.const 16372)))
    (if (i32.ge_u (local.get $count) (i32.const 900))
      (then (i32.store $own (i32.const 16368) (i32.const 0)) (return)))
    (i32.store $own (i32.const 16372) (i32.add (local.get $count) (i32.const 1)))
    (local.set $entry (i32.add (i32.const 1024) (i32.shl (local.get $count) (i32.const 4))))
    (i32.store $own (local.get $entry) (local.get $at))
    (i32.store $own offset=4 (local.get $entry) (local.get $name_size))
    (i32.store $own offset=8 (local.get $entry) (i32.add (local.get $at) (local.get $name_size)))
    (i32.store $own offset=12 (local.get $entry) (local.get $value_size)))

  ;; Forget every entry from $entry on with the name at $name in our own memory.
  (func $drop_from (param $entry i32) (param $name i32) (param $size i32)
    (block $done
      (loop $next
        (local.set $entry (call $find (local.get $entry) (local.get $name) (local.get $size)))
        (br_if $done (i32.eqz (local.get $entry)))
        (i32.store $own offset=4 (local.get $entry) (i32.const -1))
        (local.set $entry (i32.add (local.get $entry) (i32.const 16)))
        (br $next))))

  (func $get (type $four) (param $kind i32) (param $name i32) (param $size i32) (param $out i32) (param $size_out i32)
    (result i32)
    (local $entry i32) (local $place i32) (local $value_size i32)
    (block $host
      (br_if $host (call $not_ours (local.get $kind) (local.get $name) (local.get $size)))
      (if (i32.eqz (i32.and
            (call $inside (local.get $name) (local.get $size))
            (i32.and
              (call $inside (local.get $out) (i32.const 4)) (call $inside (local.get $size_out) (i32.const 4)))))
        (then (return (i32.const 6))))
      (if (i32.ne (i32.load $own (i32.const 16368)) (i32.const 1)) (then (call $load)))
      (br_if $host (i32.ne (i32.load $own (i32.const 16368)) (i32.const 1)))
      (br_if $host (i32.gt_u (local.get $size) (i32.const 1000)))
      (br_if $host (i32.eqz (call $take_name (local.get $name) (local.get $size) (i32.const 0))))
      (local.set $entry (call $find (i32.const 1024) (i32.const 0) (local.get $size)))
      (if (i32.eqz (local.get $entry))
        (then
          (if (i32.eqz (i32.load $own (i32.const 16360))) (then (return (i32.const 1)))))
        (else
          (local.set $value_size (i32.load $own offset=12 (local.get $entry)))
          (if (local.get $value_size)
            (then
              (local.set $place (call $malloc (local.get $value_size)))
              (if (i32.or
                    (i32.eqz (local.get $place))
                    (i32.eqz (call $inside (local.get $place) (local.get $value_size))))
                (then (return (i32.const 6))))
              (memory.copy $guest $own
                (local.get $place) (i32.load $own offset=8 (local.get $entry)) (local.get $value_size))))))
      (i32.store $guest (local.get $out) (local.get $place))
      (i32.store $guest (local.get $size_out) (local.get $value_size))
      (return (i32.const 0)))
    (call $host_get
      (local.get $kind) (local.get $name) (local.get $size) (local.get $out) (local.get $size_out)))

  (func $add (type $four)
    (param $kind i32) (param $name i32) (param $size i32) (param $value i32) (param $value_size i32) (result i32)
    (local $at i32)
    (block $host
      (br_if $host (call $not_ours (local.get $kind) (local.get $name) (local.get $size)))
      (if (i32.eqz (i32.and
            (call $inside (local.get $name) (local.get $size)) (call $inside (local.get $value) (local.get $value_size))))
        (then (return (i32.const 6))))
      (local.set $at
        (call $note
          (i32.const 1) (local.get $name) (local.get $size) (local.get $value) (local.get $value_size)))
      (br_if $host (i32.eqz (local.get $at)))
      (if (i32.eq (i32.load $own (i32.const 16368)) (i32.const 1))
        (then
          (if (call $find (i32.const 1024) (local.get $at) (local.get $size))
            (then (i32.store $own (i32.const 16368) (i32.const 0)))  ;; joined, or a line of its own: the host knows
            (else (call $append (local.get $at) (local.get $size) (local.get $value_size))))))
      (return (i32.const 0)))
    (call $host_add
      (local.get $kind) (local.get $name) (local.get $size) (local.get $value) (local.get $value_size)))

  (func $replace (type $four)
    (param $kind i32) (param $name i32) (param $size i32) (param $value i32) (param $value_size i32) (result i32)
    (local $at i32) (local $entry i32)
    (block $host
      (br_if $host (call $not_ours (local.get $kind) (local.get $name) (local.get $size)))
      (if (i32.eqz (i32.and
            (call $inside (local.get $name) (local.get $size)) (call $inside (local.get $value) (local.get $value_size))))
        (then (return (i32.const 6))))
      (local.set $at
        (call $note
          (i32.const 2) (local.get $name) (local.get $size) (local.get $value) (local.get $value_size)))
      (br_if $host (i32.eqz (local.get $at)))
      (if (i32.eq (i32.load $own (i32.const 16368)) (i32.const 1))
        (then
          (local.set $entry (call $find (i32.const 1024) (local.get $at) (local.get $size)))
          (if (local.get $entry)
            (then
              (i32.store $own offset=8 (local.get $entry) (i32.add (local.get $at) (local.get $size)))
              (i32.store $own offset=12 (local.get $entry) (local.get $value_size))
              (call $drop_from (i32.add (local.get $entry) (i32.const 16)) (local.get $at) (local.get $size)))
            (else (call $append (local.get $at) (local.get $size) (local.get $value_size))))))
      (return (i32.const 0)))
    (call $host_replace
      (local.get $kind) (local.get $name) (local.get $size) (local.get $value) (local.get $value_size)))

  (func $remove (type $two) (param $kind i32) (param $name i32) (param $size i32) (result i32)
    (local $at i32)
    (block $host
      (br_if $host (call $not_ours (local.get $kind) (local.get $name) (local.get $size)))
      (if (i32.eqz (call $inside (local.get $name) (local.get $size))) (then (return (i32.const 6))))
      (local.set $at (call $note (i32.const 3) (local.get $name) (local.get $size) (i32.const 0) (i32.const 0)))
      (br_if $host (i32.eqz (local.get $at)))
      (if (i32.eq (i32.load $own (i32.const 16368)) (i32.const 1))
        (then (call $drop_from (i32.const 1024) (local.get $at) (local.get $size))))
      (return (i32.const 0)))
    (call $host_remove (local.get $kind) (local.get $name) (local.get $size))))
