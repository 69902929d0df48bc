def as_html(results):
    return ""
