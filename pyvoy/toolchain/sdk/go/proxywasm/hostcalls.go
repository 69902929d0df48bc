package proxywasm

import "unsafe"

func log(level uint32, message string) {
	at, size := text(message)
	hostLog(level, at, size)
}

func LogDebug(message string) { log(logDebug, message) }
func LogInfo(message string)  { log(logInfo, message) }
func LogWarn(message string)  { log(logWarn, message) }
func LogError(message string) { log(logError, message) }

// GetProperty is a property as bytes, nil and an error when there is none.
func GetProperty(path []string) ([]byte, error) {
	joined := ""
	for index, part := range path {
		if index > 0 {
			joined += "\x00"
		}
		joined += part
	}
	at, size := text(joined)
	return valueOf(func(out, outSize unsafe.Pointer) uint32 { return hostGetProperty(at, size, out, outSize) })
}

func getHeader(kind uint32, name string) (string, error) {
	at, size := text(name)
	value, err := valueOf(func(out, outSize unsafe.Pointer) uint32 { return hostGetHeader(kind, at, size, out, outSize) })
	return string(value), err
}

func changeHeader(change func(uint32, unsafe.Pointer, uint32, unsafe.Pointer, uint32) uint32, kind uint32,
	name, value string) error {
	at, size := text(name)
	valueAt, valueSize := text(value)
	return failed(change(kind, at, size, valueAt, valueSize))
}

func removeHeader(kind uint32, name string) error {
	at, size := text(name)
	return failed(hostRemoveHeader(kind, at, size))
}

func GetHttpRequestHeader(key string) (string, error) { return getHeader(requestHeaders, key) }
func AddHttpRequestHeader(key, value string) error {
	return changeHeader(hostAddHeader, requestHeaders, key, value)
}
func ReplaceHttpRequestHeader(key, value string) error {
	return changeHeader(hostReplaceHeader, requestHeaders, key, value)
}
func RemoveHttpRequestHeader(key string) error { return removeHeader(requestHeaders, key) }

func GetHttpResponseHeader(key string) (string, error) { return getHeader(responseHeaders, key) }
func AddHttpResponseHeader(key, value string) error {
	return changeHeader(hostAddHeader, responseHeaders, key, value)
}
func ReplaceHttpResponseHeader(key, value string) error {
	return changeHeader(hostReplaceHeader, responseHeaders, key, value)
}
func RemoveHttpResponseHeader(key string) error { return removeHeader(responseHeaders, key) }

func getBuffer(kind uint32, start, most int) ([]byte, error) {
	return valueOf(func(out, outSize unsafe.Pointer) uint32 {
		return hostGetBuffer(kind, uint32(start), uint32(most), out, outSize)
	})
}

func replaceBuffer(kind uint32, body []byte) error {
	at, size := bytes(body)
	return failed(hostSetBuffer(kind, 0, 0xffffffff, at, size))
}

func GetHttpRequestBody(start, maxSize int) ([]byte, error)  { return getBuffer(requestBody, start, maxSize) }
func ReplaceHttpRequestBody(body []byte) error               { return replaceBuffer(requestBody, body) }
func GetHttpResponseBody(start, maxSize int) ([]byte, error) { return getBuffer(responseBody, start, maxSize) }
func ReplaceHttpResponseBody(body []byte) error              { return replaceBuffer(responseBody, body) }
func GetVMConfiguration() ([]byte, error)                    { return getBuffer(vmConfiguration, 0, -1) }
func GetPluginConfiguration() ([]byte, error)                { return getBuffer(pluginConfiguration, 0, -1) }

func ResumeHttpRequest() error  { return failed(hostContinue(0)) }
func ResumeHttpResponse() error { return failed(hostContinue(1)) }

func SetTickPeriodMilliSeconds(period uint32) error { return failed(hostTick(period)) }

// SendHttpResponse answers the request here; gRPCStatus is -1 where there is none.
func SendHttpResponse(statusCode uint32, headers [][2]string, body []byte, gRPCStatus int32) error {
	fieldsAt, fieldsSize := bytes(serialized(headers))
	bodyAt, bodySize := bytes(body)
	return failed(hostReply(statusCode, nil, 0, bodyAt, bodySize, fieldsAt, fieldsSize, gRPCStatus))
}

type (
	MetricCounter   uint32
	MetricGauge     uint32
	MetricHistogram uint32
)

func define(kind uint32, name string) uint32 {
	var id uint32
	at, size := text(name)
	if err := failed(hostDefineMetric(kind, at, size, unsafe.Pointer(&id))); err != nil {
		panic(err)
	}
	return id
}

func DefineCounterMetric(name string) MetricCounter     { return MetricCounter(define(metricCounter, name)) }
func DefineGaugeMetric(name string) MetricGauge         { return MetricGauge(define(metricGauge, name)) }
func DefineHistogramMetric(name string) MetricHistogram { return MetricHistogram(define(metricHist, name)) }

func (m MetricCounter) Increment(offset uint64) { hostIncrementMetric(uint32(m), int64(offset)) }
func (m MetricGauge) Add(offset int64)          { hostIncrementMetric(uint32(m), offset) }
func (m MetricHistogram) Record(value uint64)   { hostRecordMetric(uint32(m), value) }
