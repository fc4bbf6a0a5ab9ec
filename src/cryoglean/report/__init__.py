"""Pictures and pages to check results by."""
