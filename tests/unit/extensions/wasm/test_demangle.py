"""Names of functions for people: rustc's legacy scheme, the plain part of Itanium's, and what stays as it is."""

import pytest

from pyvoy.extensions.wasm.demangle import demangled


@pytest.mark.parametrize(
    ("mangled", "name"),
    [
        ("_ZN4core9panicking9panic_fmt17hc8d7f978b477d6a0E", "core::panicking::panic_fmt"),
        (
            "_ZN56_$LT$shop..Guard$u20$as$u20$sdk..traits..HttpContext$GT$8on_reply17h3fdb64c18758057dE",
            "<shop::Guard as sdk::traits::HttpContext>::on_reply",
        ),
        (
            "_ZN3std9panicking19begin_panic_handler28_$u7b$$u7b$closure$u7d$$u7d$17hd5362e185353c1a0E",
            "std::panicking::begin_panic_handler::{{closure}}",
        ),
        ("_ZN14_$RF$$C$$BP$xy4call17h0123456789abcdefE", "&,*xy::call"),
        ("_ZN4Root8on_startEv", "Root::on_start"),
        ("_ZNK4Root8on_startEij", "Root::on_start"),
        ("_ZN4RootC2Ev", "Root::Root"),
        ("_ZN3foo4RootD1Ev", "foo::Root::~Root"),
        ("_Z5checki", "check"),
    ],
)
def test_a_mangled_name_is_read(mangled, name):
    assert demangled(mangled) == name


@pytest.mark.parametrize(
    "name",
    [
        "proxy_on_request_headers",
        "function 12",
        "",
        "_Z",
        "_ZN",
        "_ZNE",
        "_ZN4Ro",
        "_ZN4RootILi3EE3getEv",
        "_ZN4RootcviEv",
        "_ZN99999999999999999999E",
        "_ZTV4Root",
        "_RNvCs1234_7mycrate3foo",
    ],
)
def test_what_is_no_such_name_stays(name):
    assert demangled(name) == name


def test_an_escape_that_is_none_stays():
    assert demangled("_ZN12$uffffff$$Q$3get17h0123456789abcdefE") == "$uffffff$$Q$::get"
