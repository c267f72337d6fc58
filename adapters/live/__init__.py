"""Live: what tells of incidents as things happen, by long poll and over WebSockets."""
