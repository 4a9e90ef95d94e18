<?php
// One line at once, one when the file appears: whoever waits for the end sees neither.
header('Content-Type: text/plain');
while (ob_get_level()) {
    ob_end_flush();
}
echo "first\n";
flush();
for ($i = 0; $i < 400 && !file_exists(__DIR__ . '/go'); $i++) {
    usleep(50000);
    clearstatcache();
}
echo "second\n";
