//! The functions of the host.  One that fails in a way that a filter cannot expect is an `Err`.

use crate::types::*;
use std::ptr::null_mut;
use std::time::Duration;

mod env {
    #[link(wasm_import_module = "env")]
    extern "C" {
        pub fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
        pub fn proxy_get_property(path: *const u8, size: usize, at: *mut *mut u8, value_size: *mut usize) -> u32;
        pub fn proxy_get_header_map_value(
            map: u32, name: *const u8, name_size: usize, at: *mut *mut u8, size: *mut usize) -> u32;
        pub fn proxy_add_header_map_value(
            map: u32, name: *const u8, name_size: usize, value: *const u8, size: usize) -> u32;
        pub fn proxy_replace_header_map_value(
            map: u32, name: *const u8, name_size: usize, value: *const u8, size: usize) -> u32;
        pub fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
        pub fn proxy_get_buffer_bytes(
            buffer: u32, start: usize, max_size: usize, at: *mut *mut u8, size: *mut usize) -> u32;
        pub fn proxy_set_buffer_bytes(buffer: u32, start: usize, size: usize, value: *const u8, value_size: usize) -> u32;
        pub fn proxy_continue_stream(stream: u32) -> u32;
        pub fn proxy_send_local_response(
            status: u32, details: *const u8, details_size: usize, body: *const u8, body_size: usize,
            headers: *const u8, headers_size: usize, grpc_status: i32) -> u32;
        pub fn proxy_http_call(
            upstream: *const u8, upstream_size: usize, headers: *const u8, headers_size: usize, body: *const u8,
            body_size: usize, trailers: *const u8, trailers_size: usize, timeout: u32, token: *mut u32) -> u32;
        pub fn proxy_set_effective_context(context: u32) -> u32;
        pub fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
        pub fn proxy_increment_metric(id: u32, by: i64) -> u32;
        pub fn proxy_record_metric(id: u32, value: u64) -> u32;
    }
}

fn status(code: u32) -> Status {
    match code {
        0 => Status::Ok,
        1 => Status::NotFound,
        2 => Status::BadArgument,
        3 => Status::SerializationFailure,
        4 => Status::ParseFailure,
        7 => Status::Empty,
        8 => Status::CasMismatch,
        _ => Status::InternalFailure,
    }
}

fn done(code: u32) -> Result<(), Status> {
    if code == 0 { Ok(()) } else { Err(status(code)) }
}

/// A value that the host hands over, as a vector of the block that it got; None when there is none.
fn value(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Option<Bytes>, Status> {
    let (mut at, mut size) = (null_mut(), 0);
    match status(call(&mut at, &mut size)) {
        Status::Ok if at.is_null() => Ok(Some(Bytes::new())),
        Status::Ok => Ok(Some(unsafe { Vec::from_raw_parts(at, size, size) })),
        Status::NotFound => Ok(None),
        wrong => Err(wrong),
    }
}

fn serialized(pairs: &[(&str, &str)]) -> Bytes {
    let mut out = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in pairs {
        out.extend((name.len() as u32).to_le_bytes());
        out.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        out.extend([name.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
    }
    out
}

pub fn log(level: LogLevel, message: &str) -> Result<(), Status> {
    done(unsafe { env::proxy_log(level as u32, message.as_ptr(), message.len()) })
}

pub fn get_property(path: Vec<&str>) -> Result<Option<Bytes>, Status> {
    let path = path.join("\0");
    value(|at, size| unsafe { env::proxy_get_property(path.as_ptr(), path.len(), at, size) })
}

pub fn get_map_value(map: MapType, name: &str) -> Result<Option<String>, Status> {
    let found =
        value(|at, size| unsafe { env::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), at, size) })?;
    Ok(found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

pub fn set_map_value(map: MapType, name: &str, value: Option<&str>) -> Result<(), Status> {
    done(unsafe {
        match value {
            Some(text) => env::proxy_replace_header_map_value(
                map as u32, name.as_ptr(), name.len(), text.as_ptr(), text.len()),
            None => env::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()),
        }
    })
}

pub fn add_map_value(map: MapType, name: &str, value: &str) -> Result<(), Status> {
    done(unsafe { env::proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

pub fn get_buffer(buffer: BufferType, start: usize, max_size: usize) -> Result<Option<Bytes>, Status> {
    value(|at, size| unsafe { env::proxy_get_buffer_bytes(buffer as u32, start, max_size, at, size) })
}

pub fn set_buffer(buffer: BufferType, start: usize, size: usize, value: &[u8]) -> Result<(), Status> {
    done(unsafe { env::proxy_set_buffer_bytes(buffer as u32, start, size, value.as_ptr(), value.len()) })
}

pub fn resume_http_request() -> Result<(), Status> {
    done(unsafe { env::proxy_continue_stream(0) })
}

pub fn resume_http_response() -> Result<(), Status> {
    done(unsafe { env::proxy_continue_stream(1) })
}

pub fn send_http_response(status: u32, headers: Vec<(&str, &str)>, body: Option<&[u8]>) -> Result<(), Status> {
    let (headers, body) = (serialized(&headers), body.unwrap_or(&[]));
    done(unsafe {
        env::proxy_send_local_response(
            status, null_mut(), 0, body.as_ptr(), body.len(), headers.as_ptr(), headers.len(), -1)
    })
}

pub fn dispatch_http_call(
    upstream: &str,
    headers: Vec<(&str, &str)>,
    body: Option<&[u8]>,
    trailers: Vec<(&str, &str)>,
    timeout: Duration,
) -> Result<u32, Status> {
    let (headers, body, trailers) = (serialized(&headers), body.unwrap_or(&[]), serialized(&trailers));
    let mut token = 0;
    done(unsafe {
        env::proxy_http_call(
            upstream.as_ptr(), upstream.len(), headers.as_ptr(), headers.len(), body.as_ptr(), body.len(),
            trailers.as_ptr(), trailers.len(), timeout.as_millis() as u32, &mut token)
    })?;
    crate::dispatcher::expect_answer(token);
    Ok(token)
}

pub(crate) fn set_effective_context(context_id: u32) -> Result<(), Status> {
    done(unsafe { env::proxy_set_effective_context(context_id) })
}

pub fn define_metric(kind: MetricType, name: &str) -> Result<u32, Status> {
    let mut id = 0;
    done(unsafe { env::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut id) })?;
    Ok(id)
}

pub fn increment_metric(id: u32, by: i64) -> Result<(), Status> {
    done(unsafe { env::proxy_increment_metric(id, by) })
}

pub fn record_metric(id: u32, value: u64) -> Result<(), Status> {
    done(unsafe { env::proxy_record_metric(id, value) })
}
