<?php
// A status, a redirect, or a bare header, as it is asked for.
if (isset($_GET['status'])) {
    http_response_code((int) $_GET['status']);
}
if (isset($_GET['location'])) {
    header('Location: ' . $_GET['location']);
}
setcookie('first', '1');
setcookie('second', '2');
echo 'told';
