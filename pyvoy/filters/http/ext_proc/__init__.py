"""External processing: a gRPC server sees, changes and answers requests."""
