"""What outcomes cost and whether they pay; pure: no I/O but its own data files, no clock"""
