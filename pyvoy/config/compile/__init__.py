"""Messages to plans: one file per kind of message.  Cold code, used at load and reload only."""
