"""Pictures for people: recordings of episodes (`recording`) and sheets of a video set's clips (`clip_sheet`)."""
