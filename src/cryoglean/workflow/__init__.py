"""Jobs over many micrographs: what is done is kept, what is missing is made, what is bad is set aside and named."""
