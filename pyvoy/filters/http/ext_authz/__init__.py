"""External authorization: another server says whether a request may go on."""
