<?php
// As the tests' own pattern: blocks of 64 KiB, each headed by its index.
header('Content-Type: application/octet-stream');
$block = str_repeat(implode('', array_map('chr', range(0, 255))), 256);
for ($left = (int) $_GET['size'], $index = 0; $left > 0; $left -= 65536, $index++) {
    echo substr(pack('J', $index) . substr($block, 8), 0, $left);
}
