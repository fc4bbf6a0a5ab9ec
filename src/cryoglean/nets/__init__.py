"""Networks, their loss and their training: functions of tensors; only `weights` knows files."""
