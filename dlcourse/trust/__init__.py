"""What strangers hand us, taken with care: files, texts, checkpoints, configs of run folders."""
