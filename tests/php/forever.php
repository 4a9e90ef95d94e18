<?php
// Writes until its reader has gone, and then says so.
register_shutdown_function(function () {
    file_put_contents(__DIR__ . '/gone', connection_aborted() ? 'aborted' : 'ended');
});
for ($i = 0; $i < 1000; $i++) {
    echo str_repeat('.', 1024);
    flush();
    usleep(20000);
}
