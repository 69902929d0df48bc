//! A module as the Zig SDK of 2021 makes them: ABI 0.2.0, `_initialize`, an allocator of its own under the name of the
//! ABI, a large stack, and contexts that the root of the module hands out.
const std = @import("std");

const allocator = std.heap.wasm_allocator;

extern "env" fn proxy_log(level: u32, text: [*]const u8, size: usize) u32;
extern "env" fn proxy_get_header_map_value(map: u32, key: [*]const u8, key_size: usize, at: *?[*]u8, size: *usize) u32;
extern "env" fn proxy_replace_header_map_value(map: u32, key: [*]const u8, key_size: usize, value: [*]const u8, size: usize) u32;
extern "env" fn proxy_get_buffer_bytes(kind: u32, start: usize, most: usize, at: *?[*]u8, size: *usize) u32;
extern "env" fn proxy_set_buffer_bytes(kind: u32, start: usize, size: usize, value: [*]const u8, value_size: usize) u32;
extern "env" fn proxy_get_property(path: [*]const u8, path_size: usize, at: *?[*]u8, size: *usize) u32;

const Context = struct { root: u32, bodies: u32 = 0 };
var contexts: std.AutoHashMap(u32, Context) = undefined;
var configuration: []const u8 = "";

export fn _initialize() void {
    contexts = std.AutoHashMap(u32, Context).init(allocator);
}

export fn proxy_abi_version_0_2_0() void {}

export fn proxy_on_memory_allocate(size: usize) ?[*]u8 {
    const block = allocator.alloc(u8, size) catch return null;
    return block.ptr;
}

fn say(text: []const u8) void {
    _ = proxy_log(2, text.ptr, text.len);
}

export fn proxy_on_context_create(id: u32, root: u32) void {
    contexts.put(id, .{ .root = root }) catch unreachable;
}

export fn proxy_on_vm_start(root: u32, _: u32) bool {
    return contexts.contains(root);
}

export fn proxy_on_configure(root: u32, size: u32) bool {
    var at: ?[*]u8 = null;
    var got: usize = 0;
    if (proxy_get_buffer_bytes(7, 0, size, &at, &got) != 0) return false;
    if (at) |block| configuration = block[0..got];
    return contexts.contains(root);
}

export fn proxy_on_request_headers(_: u32, _: u32, _: u32) u32 {
    _ = proxy_replace_header_map_value(0, "content-length", 14, "0", 0);
    return 0;
}

export fn proxy_on_request_body(id: u32, size: u32, end: bool) u32 {
    const context = contexts.getPtr(id) orelse unreachable;
    context.bodies += 1;
    if (!end) return 1;
    _ = proxy_set_buffer_bytes(0, 0, size, "zig", 3);
    return 0;
}

export fn proxy_on_response_headers(id: u32, _: u32, _: u32) u32 {
    var at: ?[*]u8 = null;
    var size: usize = 0;
    const found = proxy_get_property("plugin_name", 11, &at, &size);
    if (found == 0) _ = proxy_replace_header_map_value(2, "x-name", 6, at.?, size);
    _ = proxy_replace_header_map_value(2, "x-configured", 12, configuration.ptr, configuration.len);
    if (contexts.get(id).?.bodies > 0) _ = proxy_replace_header_map_value(2, "x-body", 6, "yes", 3);
    return 0;
}

export fn proxy_on_log(_: u32) void {
    say("logged");
}

export fn proxy_on_done(_: u32) bool {
    return true;
}

export fn proxy_on_delete(id: u32) void {
    _ = contexts.remove(id);
}
