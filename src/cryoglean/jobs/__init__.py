"""Jobs: files in, a folder of results out, each of them stopped, resumed and repeated without loss."""
