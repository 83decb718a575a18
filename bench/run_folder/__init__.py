"""The run folder: store of finished work, settings and provenance, index of students."""
