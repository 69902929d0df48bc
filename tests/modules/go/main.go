// A module of the Go compiler alone (wasip1, c-shared): a response header, and the runtime with its collector.
package main

import "unsafe"

//go:wasmimport env proxy_add_header_map_value
func addHeader(kind uint32, key unsafe.Pointer, keySize uint32, value unsafe.Pointer, size uint32) uint32

//go:wasmexport proxy_abi_version_0_2_0
func abi() {}

var blocks = map[uint32][]byte{}

//go:wasmexport proxy_on_memory_allocate
func allocate(size uint32) uint32 {
	block := make([]byte, size)
	at := uint32(uintptr(unsafe.Pointer(&block[0])))
	blocks[at] = block
	return at
}

//go:wasmexport proxy_on_vm_start
func onVMStart(root, size uint32) uint32 {
	println("go starts")
	return 1
}

//go:wasmexport proxy_on_response_headers
func onResponseHeaders(context, count, end uint32) uint32 {
	key, value := []byte("x-go"), []byte("yes")
	addHeader(2, unsafe.Pointer(&key[0]), 4, unsafe.Pointer(&value[0]), 3)
	return 0
}

func main() {}
