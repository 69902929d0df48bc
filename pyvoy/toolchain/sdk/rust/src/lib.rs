//! What a small HTTP filter needs of Proxy-Wasm, under the names of the `proxy-wasm` SDK.
//!
//! A filter that is written against this crate also compiles against the SDK: put `proxy-wasm = "0.2"` into Cargo.toml
//! in place of the path.  It is here so that a new project builds without a registry.

pub mod hostcalls;
pub mod traits;
pub mod types;

mod dispatcher;

/// The module's start: set its root context here.
#[macro_export]
macro_rules! main {
    ($code:block) => {
        extern "C" {
            fn __wasm_call_ctors();
        }

        #[no_mangle]
        pub extern "C" fn _initialize() {
            unsafe { __wasm_call_ctors() };
            $code;
        }
    };
}

/// Which messages of `hostcalls::log` reach the host: the host decides.
pub fn set_log_level(_level: types::LogLevel) {}

pub fn set_root_context(callback: types::NewRootContext) {
    dispatcher::set_root_context(callback);
}

#[no_mangle]
pub extern "C" fn proxy_abi_version_0_2_1() {}

/// Blocks for what the host hands over; `hostcalls` takes them as vectors of exactly their size.
#[no_mangle]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let mut block = Vec::with_capacity(size);
    let at = block.as_mut_ptr();
    std::mem::forget(block);
    at
}
