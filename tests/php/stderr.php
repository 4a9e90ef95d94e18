<?php
error_log("a warning of the script's");
echo 'fine';
