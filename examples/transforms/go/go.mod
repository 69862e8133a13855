module example.com/card-mask

go 1.24
