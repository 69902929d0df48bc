//! Proxy-Wasm ABI 0.2.1 for Zig: the host functions that a small filter needs, and slices in place of pointers.
//! A filter exports the callbacks that it wants (`proxy_on_request_headers` ...).
const std = @import("std");

pub const allocator = std.heap.wasm_allocator;

pub const Action = enum(u32) { go_on = 0, pause = 1 };
pub const Level = enum(u32) { trace, debug, info, warn, err, critical };
pub const Map = enum(u32) { request_headers, request_trailers, response_headers, response_trailers };
pub const Buffer = enum(u32) { request_body = 0, response_body = 1, vm_configuration = 6, plugin_configuration = 7 };
pub const Metric = enum(u32) { counter, gauge, histogram };

const all: usize = std.math.maxInt(u32);

pub extern "env" fn proxy_log(level: Level, text: [*]const u8, size: usize) u32;
pub extern "env" fn proxy_get_header_map_value(map: Map, name: [*]const u8, name_size: usize, at: *?[*]u8, size: *usize) u32;
pub extern "env" fn proxy_add_header_map_value(map: Map, name: [*]const u8, name_size: usize, value: [*]const u8, size: usize) u32;
pub extern "env" fn proxy_replace_header_map_value(map: Map, name: [*]const u8, name_size: usize, value: [*]const u8, size: usize) u32;
pub extern "env" fn proxy_remove_header_map_value(map: Map, name: [*]const u8, name_size: usize) u32;
pub extern "env" fn proxy_get_buffer_bytes(kind: Buffer, start: usize, most: usize, at: *?[*]u8, size: *usize) u32;
pub extern "env" fn proxy_set_buffer_bytes(kind: Buffer, start: usize, size: usize, value: [*]const u8, value_size: usize) u32;
pub extern "env" fn proxy_get_property(path: [*]const u8, path_size: usize, at: *?[*]u8, size: *usize) u32;
pub extern "env" fn proxy_send_local_response(status: u32, details: [*]const u8, details_size: usize, body: [*]const u8, body_size: usize, headers: ?[*]const u8, headers_size: usize, grpc_status: i32) u32;
pub extern "env" fn proxy_continue_stream(stream: u32) u32;
pub extern "env" fn proxy_define_metric(kind: Metric, name: [*]const u8, size: usize, id: *u32) u32;
pub extern "env" fn proxy_increment_metric(id: u32, by: i64) u32;
pub extern "env" fn proxy_record_metric(id: u32, value: u64) u32;

export fn proxy_abi_version_0_2_1() void {}

/// Blocks for what the host hands over; `free` gives them back.
export fn proxy_on_memory_allocate(size: usize) ?[*]u8 {
    const block = allocator.alloc(u8, size) catch return null;
    return block.ptr;
}

pub fn free(block: []const u8) void {
    if (block.len > 0) allocator.free(block);
}

fn taken(at: ?[*]u8, size: usize) []u8 {
    return if (at) |block| block[0..size] else &.{};
}

pub fn log(level: Level, text: []const u8) void {
    _ = proxy_log(level, text.ptr, text.len);
}

/// The first value of a header; yours to free.
pub fn header(map: Map, name: []const u8) ?[]u8 {
    var at: ?[*]u8 = null;
    var size: usize = 0;
    if (proxy_get_header_map_value(map, name.ptr, name.len, &at, &size) != 0) return null;
    return taken(at, size);
}

pub fn addHeader(map: Map, name: []const u8, value: []const u8) void {
    _ = proxy_add_header_map_value(map, name.ptr, name.len, value.ptr, value.len);
}

pub fn setHeader(map: Map, name: []const u8, value: []const u8) void {
    _ = proxy_replace_header_map_value(map, name.ptr, name.len, value.ptr, value.len);
}

/// A body or a configuration; yours to free.
pub fn buffer(kind: Buffer) ?[]u8 {
    var at: ?[*]u8 = null;
    var size: usize = 0;
    if (proxy_get_buffer_bytes(kind, 0, all, &at, &size) != 0) return null;
    return taken(at, size);
}

pub fn setBuffer(kind: Buffer, value: []const u8) void {
    _ = proxy_set_buffer_bytes(kind, 0, all, value.ptr, value.len);
}

/// Answer the request here.
pub fn reply(status: u32, body: []const u8, details: []const u8) void {
    _ = proxy_send_local_response(status, details.ptr, details.len, body.ptr, body.len, null, 0, -1);
}

pub fn metric(kind: Metric, name: []const u8) u32 {
    var id: u32 = 0;
    _ = proxy_define_metric(kind, name.ptr, name.len, &id);
    return id;
}
