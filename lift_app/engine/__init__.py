"""The one owner of the model: durable jobs, one thread, lifts and answers share it fairly."""
