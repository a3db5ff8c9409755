"""The long-lived job of a stream: from Kafka into the live tables exactly once, and all that is read from them."""
