// A module of the Rust compiler alone: a map (which asks for random bytes as it starts), and a header from it.
use std::collections::HashMap;

#[link(wasm_import_module = "env")]
extern "C" {
    fn proxy_add_header_map_value(map: u32, key: *const u8, key_size: usize, value: *const u8, size: usize) -> u32;
    fn proxy_get_header_map_value(map: u32, key: *const u8, key_size: usize, at: *mut *mut u8, size: *mut usize) -> u32;
}

#[no_mangle]
pub extern "C" fn proxy_abi_version_0_2_1() {}

#[no_mangle]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let mut block = Vec::with_capacity(size);
    let at = block.as_mut_ptr();
    std::mem::forget(block);
    at
}

static mut SEEN: Option<HashMap<Vec<u8>, u32>> = None;

#[no_mangle]
pub unsafe extern "C" fn proxy_on_request_headers(_context: u32, _count: u32, _end: u32) -> u32 {
    let (mut at, mut size) = (std::ptr::null_mut(), 0);
    if proxy_get_header_map_value(0, b":path".as_ptr(), 5, &mut at, &mut size) == 0 {
        // As the SDK does: the block becomes a vector of exactly its size, and is freed as one.
        let path = Vec::from_raw_parts(at, size, size);
        *SEEN.get_or_insert_with(HashMap::new).entry(path).or_insert(0) += 1;
    }
    0
}

#[no_mangle]
pub unsafe extern "C" fn proxy_on_response_headers(_context: u32, _count: u32, _end: u32) -> u32 {
    let text = format!("{} paths", SEEN.as_ref().map_or(0, |seen| seen.len()));
    println!("{}", text);
    proxy_add_header_map_value(2, b"x-rust".as_ptr(), 6, text.as_ptr(), text.len());
    0
}
