<?php
// What the script was told, and what it would run as.
header('Content-Type: text/plain');
foreach (explode(' ', $_GET['names']) as $name) {
    echo $name, '=', $_SERVER[$name] ?? '(none)', "\n";
}
