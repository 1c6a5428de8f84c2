"""Long work with progress: plain functions, the queue, the worker's heartbeat."""
