"""Process control: every service under one supervisor."""
