"""What a run folder may ask for that somebody else made, and how one's own are told from those."""
