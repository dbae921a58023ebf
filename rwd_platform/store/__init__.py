"""rwd_platform.store"""
