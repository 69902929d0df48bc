"""grpc_json_transcoder: REST clients with JSON in front of a gRPC service."""
