"""Configuration: text to messages to plans.  Cold: nothing on the request path imports it but the registry."""
