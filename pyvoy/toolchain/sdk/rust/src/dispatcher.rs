//! From the callbacks of the host to the contexts that a filter has made.

use crate::hostcalls;
use crate::traits::{Context, HttpContext, RootContext};
use crate::types::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// What calls into a context do while it is taken out of its place.
struct Contexts {
    roots: RefCell<BTreeMap<u32, Box<dyn RootContext>>>,
    streams: RefCell<BTreeMap<u32, Box<dyn HttpContext>>>,
    waiting: RefCell<BTreeMap<u32, u32>>,
    new_root: Cell<Option<NewRootContext>>,
    active: Cell<u32>,
}

thread_local! {
    static CONTEXTS: Contexts = Contexts {
        roots: RefCell::new(BTreeMap::new()),
        streams: RefCell::new(BTreeMap::new()),
        waiting: RefCell::new(BTreeMap::new()),
        new_root: Cell::new(None),
        active: Cell::new(0),
    };
}

struct Plain;
impl Context for Plain {}
impl RootContext for Plain {}
impl HttpContext for Plain {}

pub(crate) fn set_root_context(callback: NewRootContext) {
    CONTEXTS.with(|all| all.new_root.set(Some(callback)));
}

/// The context whose callback runs waits for the answer to a call.
pub(crate) fn expect_answer(token: u32) {
    CONTEXTS.with(|all| all.waiting.borrow_mut().insert(token, all.active.get()));
}

fn root<T: Default>(id: u32, run: impl FnOnce(&mut dyn RootContext) -> T) -> T {
    CONTEXTS.with(|all| {
        all.active.set(id);
        all.roots.borrow_mut().get_mut(&id).map(|found| run(found.as_mut())).unwrap_or_default()
    })
}

fn stream<T: Default>(id: u32, run: impl FnOnce(&mut dyn HttpContext) -> T) -> T {
    CONTEXTS.with(|all| {
        all.active.set(id);
        all.streams.borrow_mut().get_mut(&id).map(|found| run(found.as_mut())).unwrap_or_default()
    })
}

#[no_mangle]
pub extern "C" fn proxy_on_context_create(id: u32, root_id: u32) {
    CONTEXTS.with(|all| {
        if root_id == 0 {
            let made = all.new_root.get().map_or_else(|| Box::new(Plain) as Box<dyn RootContext>, |new| new(id));
            all.roots.borrow_mut().insert(id, made);
        } else {
            let made = all.roots.borrow().get(&root_id).and_then(|root| root.create_http_context(id));
            all.streams.borrow_mut().insert(id, made.unwrap_or_else(|| Box::new(Plain)));
        }
    });
}

#[no_mangle]
pub extern "C" fn proxy_on_vm_start(id: u32, size: usize) -> u32 {
    root(id, |context| context.on_vm_start(size) as u32)
}

#[no_mangle]
pub extern "C" fn proxy_on_configure(id: u32, size: usize) -> u32 {
    root(id, |context| context.on_configure(size) as u32)
}

#[no_mangle]
pub extern "C" fn proxy_on_request_headers(id: u32, count: usize, end: u32) -> u32 {
    stream(id, |context| context.on_http_request_headers(count, end != 0) as u32)
}

#[no_mangle]
pub extern "C" fn proxy_on_request_body(id: u32, size: usize, end: u32) -> u32 {
    stream(id, |context| context.on_http_request_body(size, end != 0) as u32)
}

#[no_mangle]
pub extern "C" fn proxy_on_response_headers(id: u32, count: usize, end: u32) -> u32 {
    stream(id, |context| context.on_http_response_headers(count, end != 0) as u32)
}

#[no_mangle]
pub extern "C" fn proxy_on_response_body(id: u32, size: usize, end: u32) -> u32 {
    stream(id, |context| context.on_http_response_body(size, end != 0) as u32)
}

#[no_mangle]
pub extern "C" fn proxy_on_http_call_response(_root: u32, token: u32, headers: usize, body: usize, trailers: usize) {
    if let Some(id) = CONTEXTS.with(|all| all.waiting.borrow_mut().remove(&token)) {
        // The stream may be gone by now.
        if hostcalls::set_effective_context(id).is_ok() {
            stream(id, |context| context.on_http_call_response(token, headers, body, trailers));
            root(id, |context| context.on_http_call_response(token, headers, body, trailers));
        }
    }
}

#[no_mangle]
pub extern "C" fn proxy_on_log(id: u32) {
    stream(id, |context| context.on_log());
}

#[no_mangle]
pub extern "C" fn proxy_on_done(id: u32) -> u32 {
    CONTEXTS.with(|all| all.roots.borrow_mut().get_mut(&id).map_or(1, |context| context.on_done() as u32))
}

#[no_mangle]
pub extern "C" fn proxy_on_delete(id: u32) {
    CONTEXTS.with(|all| {
        all.streams.borrow_mut().remove(&id);
        all.roots.borrow_mut().remove(&id);
    });
}
