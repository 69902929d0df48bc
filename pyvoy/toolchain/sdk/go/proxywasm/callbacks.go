package proxywasm

import "github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"

var (
	vm      types.VMContext = &types.DefaultVMContext{}
	plugins                 = map[uint32]types.PluginContext{}
	streams                 = map[uint32]types.HttpContext{}
)

// SetVMContext is called from init or main.
func SetVMContext(context types.VMContext) { vm = context }

//go:wasmexport proxy_abi_version_0_2_0
func abiVersion() {}

//go:wasmexport proxy_on_context_create
func onContextCreate(id, root uint32) {
	if root == 0 {
		plugins[id] = vm.NewPluginContext(id)
	} else if stream := plugins[root].NewHttpContext(id); stream != nil {
		streams[id] = stream
	} else {
		streams[id] = &types.DefaultHttpContext{}
	}
}

//go:wasmexport proxy_on_vm_start
func onVMStart(_, size uint32) uint32 { return number(bool(vm.OnVMStart(int(size)))) }

//go:wasmexport proxy_on_configure
func onConfigure(id, size uint32) uint32 { return number(bool(plugins[id].OnPluginStart(int(size)))) }

//go:wasmexport proxy_on_tick
func onTick(id uint32) { plugins[id].OnTick() }

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(id, count, end uint32) uint32 {
	return uint32(streams[id].OnHttpRequestHeaders(int(count), end != 0))
}

//go:wasmexport proxy_on_request_body
func onRequestBody(id, size, end uint32) uint32 {
	return uint32(streams[id].OnHttpRequestBody(int(size), end != 0))
}

//go:wasmexport proxy_on_response_headers
func onResponseHeaders(id, count, end uint32) uint32 {
	return uint32(streams[id].OnHttpResponseHeaders(int(count), end != 0))
}

//go:wasmexport proxy_on_response_body
func onResponseBody(id, size, end uint32) uint32 {
	return uint32(streams[id].OnHttpResponseBody(int(size), end != 0))
}

//go:wasmexport proxy_on_log
func onLog(id uint32) {
	if stream, known := streams[id]; known {
		stream.OnHttpStreamDone()
	}
}

//go:wasmexport proxy_on_done
func onDone(id uint32) uint32 {
	if plugin, known := plugins[id]; known {
		return number(plugin.OnPluginDone())
	}
	return 1
}

//go:wasmexport proxy_on_delete
func onDelete(id uint32) {
	delete(streams, id)
	delete(plugins, id)
}

func number(yes bool) uint32 {
	if yes {
		return 1
	}
	return 0
}
