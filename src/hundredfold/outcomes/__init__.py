"""What became of the work: following proposals and a repository's past, and what observers saw of them"""
