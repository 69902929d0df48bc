// Package proxywasm has what a small HTTP filter needs of Proxy-Wasm, under the names of the proxy-wasm-go-sdk.
//
// A filter that is written against this package also compiles against the SDK: remove the replace line of go.mod and run
// `go mod tidy`.  It is here so that a new project builds without a module proxy.
package proxywasm

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

//go:wasmimport env proxy_log
func hostLog(level uint32, text unsafe.Pointer, size uint32) uint32

//go:wasmimport env proxy_get_property
func hostGetProperty(path unsafe.Pointer, size uint32, at unsafe.Pointer, valueSize unsafe.Pointer) uint32

//go:wasmimport env proxy_get_header_map_value
func hostGetHeader(kind uint32, name unsafe.Pointer, nameSize uint32, at unsafe.Pointer, size unsafe.Pointer) uint32

//go:wasmimport env proxy_add_header_map_value
func hostAddHeader(kind uint32, name unsafe.Pointer, nameSize uint32, value unsafe.Pointer, size uint32) uint32

//go:wasmimport env proxy_replace_header_map_value
func hostReplaceHeader(kind uint32, name unsafe.Pointer, nameSize uint32, value unsafe.Pointer, size uint32) uint32

//go:wasmimport env proxy_remove_header_map_value
func hostRemoveHeader(kind uint32, name unsafe.Pointer, nameSize uint32) uint32

//go:wasmimport env proxy_get_buffer_bytes
func hostGetBuffer(kind uint32, start uint32, most uint32, at unsafe.Pointer, size unsafe.Pointer) uint32

//go:wasmimport env proxy_set_buffer_bytes
func hostSetBuffer(kind uint32, start uint32, size uint32, value unsafe.Pointer, valueSize uint32) uint32

//go:wasmimport env proxy_continue_stream
func hostContinue(stream uint32) uint32

//go:wasmimport env proxy_send_local_response
func hostReply(status uint32, details unsafe.Pointer, detailsSize uint32, body unsafe.Pointer, bodySize uint32,
	headers unsafe.Pointer, headersSize uint32, grpcStatus int32) uint32

//go:wasmimport env proxy_set_tick_period_milliseconds
func hostTick(period uint32) uint32

//go:wasmimport env proxy_define_metric
func hostDefineMetric(kind uint32, name unsafe.Pointer, size uint32, id unsafe.Pointer) uint32

//go:wasmimport env proxy_increment_metric
func hostIncrementMetric(id uint32, by int64) uint32

//go:wasmimport env proxy_record_metric
func hostRecordMetric(id uint32, value uint64) uint32

const (
	requestHeaders, responseHeaders        = 0, 2
	requestBody, responseBody              = 0, 1
	vmConfiguration, pluginConfiguration   = 6, 7
	logDebug, logInfo, logWarn, logError   = 1, 2, 3, 4
	metricCounter, metricGauge, metricHist = 0, 1, 2
)

// blocks keeps what the host was given from the collector, until it is taken over.
var blocks = map[uint32][]byte{}

//go:wasmexport proxy_on_memory_allocate
func allocate(size uint32) uint32 {
	block := make([]byte, size)
	at := uint32(uintptr(unsafe.Pointer(unsafe.SliceData(block))))
	blocks[at] = block
	return at
}

// valueOf is what a call of the host hands over.
func valueOf(call func(at, size unsafe.Pointer) uint32) ([]byte, error) {
	var at, size uint32
	if err := failed(call(unsafe.Pointer(&at), unsafe.Pointer(&size))); err != nil {
		return nil, err
	}
	block := blocks[at]
	delete(blocks, at)
	return block, nil
}

func failed(status uint32) error {
	if status == 0 {
		return nil
	}
	return fmt.Errorf("the host answers with status %d", status)
}

func text(value string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(value)), uint32(len(value))
}

func bytes(value []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value))
}

func serialized(pairs [][2]string) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(pairs)))
	for _, pair := range pairs {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(pair[0])))
		out = binary.LittleEndian.AppendUint32(out, uint32(len(pair[1])))
	}
	for _, pair := range pairs {
		out = append(out, pair[0]+"\x00"+pair[1]+"\x00"...)
	}
	return out
}
