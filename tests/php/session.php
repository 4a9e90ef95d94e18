<?php
// Counts the visits of one session.
session_save_path(sys_get_temp_dir());
session_start();
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
echo 'visit ', $_SESSION['visits'];
