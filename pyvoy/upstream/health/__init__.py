"""What tells good hosts from bad ones: active health checks and outlier detection, both run by the main process."""
