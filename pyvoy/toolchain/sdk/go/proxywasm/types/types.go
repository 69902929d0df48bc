// Package types has what a filter implements: a context for the VM, one for a plugin, one for each stream.
package types

type Action uint32

const (
	ActionContinue Action = 0
	ActionPause    Action = 1
)

type OnVMStartStatus bool
type OnPluginStartStatus bool

const (
	OnVMStartStatusOK         OnVMStartStatus     = true
	OnVMStartStatusFailed     OnVMStartStatus     = false
	OnPluginStartStatusOK     OnPluginStartStatus = true
	OnPluginStartStatusFailed OnPluginStartStatus = false
)

type VMContext interface {
	OnVMStart(vmConfigurationSize int) OnVMStartStatus
	NewPluginContext(contextID uint32) PluginContext
}

type PluginContext interface {
	OnPluginStart(pluginConfigurationSize int) OnPluginStartStatus
	OnPluginDone() bool
	OnTick()
	NewHttpContext(contextID uint32) HttpContext
}

type HttpContext interface {
	OnHttpRequestHeaders(numHeaders int, endOfStream bool) Action
	OnHttpRequestBody(bodySize int, endOfStream bool) Action
	OnHttpResponseHeaders(numHeaders int, endOfStream bool) Action
	OnHttpResponseBody(bodySize int, endOfStream bool) Action
	OnHttpStreamDone()
}

// The defaults do nothing; embed them.
type (
	DefaultVMContext     struct{}
	DefaultPluginContext struct{}
	DefaultHttpContext   struct{}
)

func (*DefaultVMContext) OnVMStart(int) OnVMStartStatus         { return OnVMStartStatusOK }
func (*DefaultVMContext) NewPluginContext(uint32) PluginContext { return &DefaultPluginContext{} }

func (*DefaultPluginContext) OnPluginStart(int) OnPluginStartStatus { return OnPluginStartStatusOK }
func (*DefaultPluginContext) OnPluginDone() bool                    { return true }
func (*DefaultPluginContext) OnTick()                               {}
func (*DefaultPluginContext) NewHttpContext(uint32) HttpContext     { return nil }

func (*DefaultHttpContext) OnHttpRequestHeaders(int, bool) Action  { return ActionContinue }
func (*DefaultHttpContext) OnHttpRequestBody(int, bool) Action     { return ActionContinue }
func (*DefaultHttpContext) OnHttpResponseHeaders(int, bool) Action { return ActionContinue }
func (*DefaultHttpContext) OnHttpResponseBody(int, bool) Action    { return ActionContinue }
func (*DefaultHttpContext) OnHttpStreamDone()                      {}
