<?php
// What came: of a form, its file and a field; else the body as it is.
header('Content-Type: text/plain');
if (isset($_FILES['file'])) {
    $name = $_FILES['file']['tmp_name'];
    echo filesize($name), ' ', hexdec(hash_file('crc32b', $name)), ' ', $_POST['field'];
} else {
    $body = hash_init('crc32b');
    $length = 0;
    $input = fopen('php://input', 'r');
    while (($piece = fread($input, 65536)) !== '' && $piece !== false) {
        $length += strlen($piece);
        hash_update($body, $piece);
    }
    echo $length, ' ', hexdec(hash_final($body));
}
