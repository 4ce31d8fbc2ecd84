\d
\dt sales.*
\d customer
\d+ purchase
\d+ event
\d+ spender
\d month
\d ticket
\d customer_lower_name
\d nosuch
\dn
\dT+ sales.*
\dD
\df sales.*
\dv+
\dm
\ds
\di
\du reader
\dp customer
\l shop
\dx
\dO
\dc sales.*
\dC text
\da sum
\do ||
\dF english
\dy
\des
\db
\drds
\ddp
\dL
\dP
\sv spender
\encoding
\z purchase
\dconfig TimeZone
\x
\dd
