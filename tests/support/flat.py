"""A FlatBuffers table of our own, with its binary schema, as flatc makes them."""

import base64
import zlib

FLAT_SCHEMA = zlib.decompress(
    base64.b64decode(
        "eNptVr9rFFEQnl0v2fVyya3xjKceEuSQIEFiDCGIoAQVhRSCKSwsvJBVg5eLmDtNwMLC0sLSMoVICouUKSxSWKSwsMgfYJHCwsJC8LfrN2/mvXsb"
        "XJjbfe99M9/MvHnzrkpE01embyRUowLFVKKEKlTFL9EEZARSg/D4N6RA/38CyKiuz0fAQmLItlkdhE22TrBPxtogfscgwxCe/wjs5t8ssxSBSgi5"
        "qno8vgzZybJsWH0KPR+2MW/19kHaj5egV4XBkmEpeZyBp5eoV2TIY2PXt7PUSunT9yx75vkxFklePvQQPYUTI/C6ifEs3lsAXILiNr5f8Dww8xh/"
        "Ae4tpIb1XWDZ3nPMT2G8zraxdhPfbyBrmJ/FeBP6dcgXtcvcs5DWryw7RudoSuMJc/FUKNK88n4mNjQvLpYUsvLD5Dw4CktVBb36w3MDZavUy3xL"
        "zYXlNvxU/BGaBIusXzT7NtDP35HBttOV9jLtKLaKSrK2SbDlQMex2G7Mpc1lXo5/is5hGnf210SnEDj7c6vtdJkmFDuEXbXY94KNun63OouwfFux"
        "h+i086Um9VYOvZw84D1RbAUVbe3WM2M3ZAy2k+40G3fZ4U3FHqRTDntdsH0FxT5MGya4XcUO4lRZ7BPBFmPFdsRdSn4J9gCddNh1wfaEOlYonVds"
        "QnWH3cm6OWO7kjGie4ot0wmgyeC5/ntNZs0OaL3IfrKu7CbqQnUHUHE2hx+yfK2wSKXAB8X303HTR4QrMVyx4ShZLlcPvGe2Giq/Rb+Ek5bno7Kt"
        "ZZ67ywcUzyXF99HRHJ89C12+rj7Ht9BqpQ/5PKp+EWw2j6My12+5Wsq1odj9NOSwNz0si9lH+M6dp2Aik7MYQ6Ou/Uue7xf4d17qsRR79TgPqSLm"
        "yPRQ4dkSnj6LucM1AEwvLNo8bYitYuz1sc7kBL0GrocGHP+3TB7m3xWd/b7OAnReYp17qDvvpj9Q5DBnx3kPvUgTjHit6Hi+eg13Rvh6Q9+3M5Nm"
        "d6yFkulpsYvnqegU/HuhM2VqB5g8b4CvYe3VfzS+LdHf5+sv5PTJ6TPjmN57geupiXdCXB2Ffj+dMzUnWYhMF+anqm8K7D1qz8ln1avo+7ra5jso"
        "1nlvLyPLs8KCeGrefbSmMc0oB9f1Na3rWxJ7wHmxNgvZnrpuLKb2hNhslDQXVmcqy/vRMj7mb3bSuOteXP5/hlB77Kj6OMNn3eS6otzFPf8sIrMP"
        "e/1/5/nPdh41mp0UZ7Hrvb30ejDLyoVcv4ucfdvvxBbX4v10lf4BC2w8CA=="
    )
)
FLAT = zlib.decompress(
    base64.b64decode(
        "eNozYWBgMGDwYAABdiDmAGIbBh4gKQDEIkAswSDDoMCgwqDBoANUacJgASTB4MSEd//+A2l7AUYGhh9AxgogLgHiECD2AJvDANTDANQNMYkViP9D"
        "AcgARiTMwNBgB6KZIWYzMIHVMoH5jAz/wXyQi1igcoWFEH0FUL4KEPOA3c8BVsUBVQtSU8HABuSzAEkIH6YeJH8C6BYBJLVGUDoJiJ+gyRlC6USw"
        "PTxgWzig4QZzV2YehF2SWgEKCgYAuCokrA=="
    )
)
"""
table Label { key:string(key); value:string; }  table Inner { n:int; name:string; }  struct P { x:int; }
table T { b:bool=true; i8:byte=-3; u8:ubyte; u16:ushort=500; i32:int; i64:long=-9; u64:ulong; f:float; d:double=1.5;
  s:string; none:string; inner:Inner; gone:Inner; labels:[Label]; list:[Inner]; texts:[string]; bytes:[ubyte];
  nums:[short]; unums:[ulong]; reals:[float]; flags:[bool]; p:P; nonums:[int]; nobytes:[ubyte]; nolabels:[Label];
  notexts:[string]; nolist:[Inner]; e:E=two; }
and a T that has the fields without `no` in their names."""
