"""From the bytes of one file to the SQL that its server would be given."""
