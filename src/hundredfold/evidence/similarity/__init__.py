"""What is alike: words, meanings and a learned order over issues, pull requests, findings and proposals"""
